{% import "macros/door.sql" as door %}
WITH given AS (
    SELECT
        _row,
        _broken
        {% for column in columns if column.kind != "constant" %}
        , {{ door.given(column) }} AS {{ column.given }}
        {% if column.origin.is_expression %}
        , {{ door.raises(column.origin) }} AS {{ column.origin.raised }}
        {% endif %}
        {% endfor %}
        , CASE {% for rule in left_out %}WHEN _broken IS NULL AND TRY({{ rule.condition }}) THEN {{ rule.name }} {% endfor %}WHEN FALSE THEN '' END AS _left_out
    FROM raw
),
typed AS (
    SELECT
        *
        {% for column in columns %}
        , {{ door.typed(column) }} AS {{ column.name }}
        {% endfor %}
    FROM given
),
judged AS (
    SELECT
        *
        {% for column in columns %}
        , {{ door.failure(column) }} AS {{ column.failure }}
        {% endfor %}
    FROM typed
)
SELECT
    {{ file }} AS _file,
    _row,
    _left_out,
    CASE
        WHEN _broken IS NOT NULL THEN 'row:' || _broken
        {% for column in columns if column.on_fail == "refuse" %}
        WHEN {{ column.failure }} IS NOT NULL THEN {{ column.label }} || ':' || {{ column.failure }}
        {% endfor %}
        {% for column in columns if column.on_fail != "refuse" %}
        WHEN {{ column.failure }} = 'required'{% if column.on_fail == "warn" %} OR {{ column.failure }} = 'contract'{% endif %} THEN {{ column.label }} || ':' || {{ column.failure }}
        {% endfor %}
    END AS _rule
    {% for column in columns %}
    {% if column.on_fail == "null" %}
    , CASE WHEN {{ column.failure }} IS NULL THEN {{ column.name }} END AS {{ column.name }}
    {% elif column.on_fail == "warn" %}
    , CASE WHEN {{ column.failure }} = 'nul_byte' THEN NULL ELSE {{ column.name }} END AS {{ column.name }}
    {% else %}
    , {{ column.name }}
    {% endif %}
    {% if column.on_fail != "refuse" %}
    , {{ column.failure }}
    {% endif %}
    {% endfor %}
    {% for column in derived %}
    , CAST(FLOOR(EPOCH({{ column.at }})) AS BIGINT) AS {{ column.name }}
    {% endfor %}
FROM judged
