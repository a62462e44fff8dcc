SELECT
    MIN(_file) AS _file,
    MIN(_row) AS _row,
    CAST(NULL AS VARCHAR) AS _left_out,
    CASE
        {% for column in columns if column.aggregate == "same" and not column.is_key %}
        WHEN MIN({{ column.name }}) <> MAX({{ column.name }}) THEN {{ column.label }} || ':same'
        {% endfor %}
        WHEN FALSE THEN ''
    END AS _rule
    {% for column in columns %}
    {% if column.is_key %}
    , {{ column.name }}
    {% elif column.aggregate == "sum" %}
    , CAST(SUM({{ column.name }}) AS {{ column.type }}) AS {{ column.name }}
    {% elif column.aggregate == "count" %}
    , COUNT({{ column.name }}) AS {{ column.name }}
    {% elif column.aggregate == "max" %}
    , MAX({{ column.name }}) AS {{ column.name }}
    {% else %}
    , MIN({{ column.name }}) AS {{ column.name }}
    {% endif %}
    {% endfor %}
FROM mapped
WHERE _rule IS NULL AND _left_out IS NULL
GROUP BY {% for column in columns if column.is_key %}{{ column.name }}{% if not loop.last %}, {% endif %}{% endfor %}
