{# How one given value becomes a typed one. The door always runs on DuckDB, whatever the warehouse. #}

{% macro value_of(origin) %}
{% if origin.lookup %}(SELECT ANY_VALUE(value) FROM {{ origin.lookup }} WHERE key = CAST({{ origin.raw }} AS VARCHAR)){% elif origin.is_expression %}TRY({{ origin.raw }}){% else %}{{ origin.raw }}{% endif %}
{% endmacro %}

{% macro given(column) %}
{% if column.given_kind == "text" %}NULLIF(TRIM({{ value_of(column.origin) }}, ' ' || CHR(9) || CHR(13)), ''){% else %}{{ value_of(column.origin) }}{% endif %}
{% endmacro %}

{# An expression that raises an error on a row refuses that row, not the file. #}
{% macro raises(origin) %}
TRY(COALESCE(CAST({{ origin.raw }} AS VARCHAR), '')) IS NULL
{% endmacro %}

{% macro in_utc(moment, zone) %}
{% if zone == "UTC" %}{{ moment }}{% else %}({{ moment }} AT TIME ZONE {{ zone }}) AT TIME ZONE 'UTC'{% endif %}
{% endmacro %}

{% macro finite(moment) %}
CASE WHEN ISFINITE({{ moment }}) THEN {{ moment }} END
{% endmacro %}

{# A written offset counts more than the declared zone; DuckDB's plain cast would drop it without a word. #}
{% macro time(column) %}
{% if column.unit %}MAKE_TIMESTAMP(TRY_CAST(FLOOR(TRY_CAST({{ column.given }} AS DOUBLE) * {{ 1000 if column.unit == "milliseconds" else 1000000 }}) AS BIGINT))
{% elif column.given_kind == "zoned" %}{{ column.given }} AT TIME ZONE 'UTC'
{% elif column.given_kind == "time" %}{{ in_utc("CAST(" ~ column.given ~ " AS TIMESTAMP)", column.zone) }}
{% else %}CASE
            WHEN REGEXP_MATCHES({{ column.given }}, ':\d{2}.*(Z|[+-]\d{2}(:?\d{2})?)$')
                THEN TRY_CAST({{ column.given }} AS TIMESTAMPTZ) AT TIME ZONE 'UTC'
            ELSE {{ in_utc(finite("TRY_CAST(" ~ column.given ~ " AS TIMESTAMP)"), column.zone) }}
        END{% endif %}
{% endmacro %}

{# A cast alone would round 3.7 to 4: a whole number must be given as one. #}
{% macro whole(column) %}
CASE WHEN TRY_CAST({{ column.given }} AS DOUBLE) = FLOOR(TRY_CAST({{ column.given }} AS DOUBLE)) THEN TRY_CAST({{ column.given }} AS {{ column.type }}) END
{% endmacro %}

{# A file written from a frame with gaps holds whole numbers as floats: 900.0 is the identifier 900. #}
{% macro as_text(column) %}
{% if column.given_kind == "float" %}CASE
            WHEN {{ column.given }} = FLOOR({{ column.given }}) AND ABS({{ column.given }}) < 9007199254740992
                THEN CAST(CAST({{ column.given }} AS BIGINT) AS VARCHAR)
            ELSE CAST({{ column.given }} AS VARCHAR)
        END{% else %}CAST({{ column.given }} AS VARCHAR){% endif %}
{% endmacro %}

{% macro typed(column) %}
{% if column.kind == "constant" %}CAST({{ column.constant }} AS {{ column.type }})
{% elif column.kind == "epoch" %}CAST(FLOOR(EPOCH({{ time(column) }})) AS BIGINT)
{% elif column.kind == "time" %}{{ time(column) }}
{% elif column.kind == "scaled" %}TRY_CAST(FLOOR(TRY_CAST({{ column.given }} AS DOUBLE) * {{ column.factor }} + 0.5) AS {{ column.type }})
{% elif column.kind == "whole" and column.given_kind != "whole" %}{{ whole(column) }}
{% elif column.kind == "number" %}CASE WHEN ISFINITE(TRY_CAST({{ column.given }} AS DOUBLE)) THEN TRY_CAST({{ column.given }} AS DOUBLE) * {{ column.factor or 1 }} END
{% elif column.kind == "text" %}{% if column.prefix %}{{ column.prefix }} || {% endif %}{{ as_text(column) }}
{% else %}TRY_CAST({{ column.given }} AS {{ column.type }})
{% endif %}
{% endmacro %}

{% macro outside(column, bounds) %}
{{ column.name }} < {{ bounds[0] }} OR {{ column.name }} {% if column.kind == "time" %}>={% else %}>{% endif %} {{ bounds[1] }}
{% endmacro %}

{# The first thing that is wrong with a value; NULL when nothing is. #}
{% macro failure(column) %}
CASE
        {% if column.origin.is_expression %}
            WHEN {{ column.origin.raised }} THEN 'type'
        {% endif %}
        {% if column.kind != "constant" %}
            WHEN {{ column.given }} IS NOT NULL AND {{ column.name }} IS NULL THEN 'type'
        {% endif %}
        {% if column.required %}
            WHEN {{ column.name }} IS NULL THEN 'required'
        {% endif %}
        {% if column.kind == "text" and column.given_kind == "text" %}
            WHEN CONTAINS({{ column.name }}, CHR(0)) THEN 'nul_byte'
        {% endif %}
        {% if column.contract_between %}
            WHEN {{ outside(column, column.contract_between) }} THEN 'contract'
        {% endif %}
        {% if column.contract_in %}
            WHEN {{ column.name }} NOT IN ({{ column.contract_in }}) THEN 'contract'
        {% endif %}
        {% if column.between %}
            WHEN {{ outside(column, column.between) }} THEN 'between'
        {% endif %}
        {% if column.allowed %}
            WHEN {{ column.name }} NOT IN ({{ column.allowed }}) THEN 'in'
        {% endif %}
        {% if column.matches %}
            WHEN NOT REGEXP_FULL_MATCH({{ column.name }}, {{ column.matches }}) THEN 'matches'
        {% endif %}
        {% if column.format %}
            WHEN NOT REGEXP_FULL_MATCH({{ column.name }}, {{ column.format }}) THEN 'format'
        {% endif %}
            WHEN FALSE THEN ''
        END
{% endmacro %}
