SELECT
    _file,
    _left_out,
    _rule,
    COUNT(*) AS row_count,
    {% if money %}CAST(SUM({{ money | identifier }}) AS BIGINT){% else %}CAST(NULL AS BIGINT){% endif %} AS money_cents
FROM {{ rows | identifier }}
GROUP BY _file, _left_out, _rule
