SELECT
    _row,
    CASE WHEN JSON_VALID(line) AND JSON_TYPE(line) = 'OBJECT' THEN NULL ELSE 'json' END AS _broken,
    line AS _text
    {% for column in columns %}
    , CASE WHEN JSON_VALID(line) THEN JSON_EXTRACT_STRING(line, {{ column.path }}) END AS {{ column.name }}
    {% endfor %}
FROM door_lines
WHERE line IS NOT NULL
