-- The values that a column of a table has. One row per value.
SELECT {{ column | identifier }} AS value
FROM {{ table | identifier }}
WHERE {{ column | identifier }} IS NOT NULL
GROUP BY {{ column | identifier }}
