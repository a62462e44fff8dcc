{# The same rows in any order have the same content. #}
SELECT
    MD5(CAST(COUNT(*) AS VARCHAR) || ':' || CAST(COALESCE(SUM(CAST(HASH(door_rows) AS HUGEINT)), 0) AS VARCHAR)) AS content,
    CAST(COALESCE(SUM(LENGTH(CAST(door_rows AS VARCHAR))), 0) AS BIGINT) AS size
FROM door_rows
