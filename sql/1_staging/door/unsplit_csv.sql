{# Lines count from 1 with the header; the sign keeps them apart from the rows that could be split. #}
SELECT
    -CAST(line AS BIGINT) AS _row,
    'csv' AS _broken,
    ANY_VALUE(csv_line) AS _text
FROM door_rejects
GROUP BY line
