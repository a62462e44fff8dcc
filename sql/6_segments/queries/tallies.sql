-- Everything that a run counts in one stream, in one scan: one row per customer.
{% from "macros/segments.sql" import is_event, within %}
SELECT
  customer_key
  {% for tally, column in of.columns.items() %}
  , CAST(SUM(
      CASE WHEN {{ is_event(tally.what) }} AND {{ within(of.stream.clock, tally.window) }} THEN 1 ELSE 0 END
  ) AS BIGINT) AS {{ column | identifier }}
  {% endfor %}
FROM {{ of.stream.table | identifier }}
WHERE {{ of.stream.kind | identifier }} IN ({{ of.kinds }}) AND {{ within(of.stream.clock, of.window) }}
GROUP BY customer_key
