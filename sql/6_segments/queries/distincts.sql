-- How many values of one property a customer's events had, for every condition that asks: one row per customer. Each
-- value is met once first, because COUNT(DISTINCT) of several columns is far dearer.
{% from "macros/segments.sql" import is_tallied, scanned %}
WITH met AS (
  SELECT
    customer_key
    , {{ of.distinct | identifier }}
    {% for tally, column in of.columns.items() %}
    , MAX(CASE WHEN {{ is_tallied(of, tally) }} THEN 1 ELSE 0 END) AS {{ column | identifier }}
    {% endfor %}
  FROM {{ scanned(of) }} AND {{ of.distinct | identifier }} IS NOT NULL
  GROUP BY customer_key, {{ of.distinct | identifier }}
)
SELECT
  customer_key
  {% for column in of.columns.values() %}
  , CAST(SUM({{ column | identifier }}) AS BIGINT) AS {{ column | identifier }}
  {% endfor %}
FROM met
GROUP BY customer_key
