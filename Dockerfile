# One image for every part: Airflow, its workers, the MLflow server and the sandbox CRM.
FROM python:3.11-slim-bookworm

# libgomp1 is the OpenMP runtime of LightGBM and XGBoost.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/*

ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    DO_NOT_TRACK=true \
    MLFLOW_DISABLE_TELEMETRY=true \
    GIT_PYTHON_REFRESH=quiet \
    AUDIENCEFLOW_HOME=/var/lib/audienceflow \
    AIRFLOW_HOME=/var/lib/audienceflow/airflow \
    AIRFLOW__CORE__DAGS_FOLDER=/opt/audienceflow/dags \
    AIRFLOW__CORE__PLUGINS_FOLDER=/opt/audienceflow/plugins \
    AIRFLOW__CORE__LOAD_EXAMPLES=False

WORKDIR /opt/audienceflow

# The libraries change rarely: their layer stays when only the project changes.
COPY requirements.txt ./
RUN pip install --requirement requirements.txt

COPY pyproject.toml README.md LICENSE ./
COPY ml ./ml
COPY plugins ./plugins
COPY dags ./dags
COPY sql ./sql
COPY config ./config
RUN pip install --no-deps --editable .

# Named volumes take over the owner of the folder that they cover.
RUN useradd --uid 50000 --user-group --create-home audienceflow \
    && install --directory --owner=audienceflow --group=audienceflow \
        /var/lib/audienceflow /var/lib/mlflow /var/lib/sandbox
USER audienceflow

CMD ["airflow", "version"]
