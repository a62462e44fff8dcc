{# The rows of one file that are refused, as they came. #}
SELECT
    MD5({{ source_name }} || CHR(31) || {{ file_name }} || CHR(31) || CAST(raw._row AS VARCHAR)) AS row_id,
    ABS(raw._row) AS row_number,
    CASE
        WHEN raw._broken IS NOT NULL THEN TO_JSON({'line': raw._text})
        ELSE TO_JSON({ {% for column in columns %}{{ column.key }}: {{ column.name }}{% if not loop.last %}, {% endif %}{% endfor %} })
    END AS row_json,
    verdicts._rule AS rule
FROM raw
INNER JOIN (
    {% for rows in judged %}
    SELECT _row, _rule FROM {{ rows | identifier }} WHERE _file = {{ file }} AND _rule IS NOT NULL AND _left_out IS NULL
    {% if not loop.last %}UNION ALL{% endif %}

    {% endfor %}
) AS verdicts ON raw._row = verdicts._row
ORDER BY ABS(raw._row) NULLS LAST, row_id NULLS LAST
