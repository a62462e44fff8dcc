-- The visits of a window: web sessions, known by their first event in it, or orders. One row per customer.
{% from "macros/segments.sql" import test, within %}
{% set first = "ORDER BY " | safe ~ of.stream.clock | identifier ~ " ASC NULLS LAST, " | safe ~ of.stream.id | identifier ~ " ASC NULLS LAST" | safe %}
WITH visits AS (
  SELECT
    customer_key
    , {{ of.stream.clock | identifier }} AS began_epoch
    , {{ of.stream.id | identifier }} AS visit_id
    {% for column in of.columns %}
    , {{ column | identifier }}
    {% endfor %}
  FROM {{ of.stream.table | identifier }}
  WHERE {{ within(of.stream.clock, of.window) }}
  {% if of.stream.session %}
    AND {{ of.stream.session | identifier }} IS NOT NULL
  QUALIFY ROW_NUMBER() OVER (PARTITION BY customer_key, {{ of.stream.session | identifier }} {{ first }}) = 1
  {% else %}
    AND {{ of.stream.kind | identifier }} = {{ of.stream.visit }}
  {% endif %}
), latest_first AS (
  SELECT
    customer_key
    , ROW_NUMBER() OVER (
        PARTITION BY customer_key ORDER BY began_epoch DESC NULLS LAST, visit_id DESC NULLS LAST
    ) AS nth_last
    {% for column in of.columns %}
    , {{ column | identifier }}
    {% endfor %}
  FROM visits
)
SELECT
  customer_key
  , COUNT(*) AS visits
  {% for column, name in of.last.items() %}
  , MAX(CASE WHEN nth_last = 1 THEN {{ column | identifier }} END) AS {{ name | identifier }}
  {% endfor %}
  {% for check, name in of.having.items() %}
  , COUNT(CASE WHEN {{ test(check) }} THEN 1 END) AS {{ name | identifier }}
  {% endfor %}
FROM latest_first
GROUP BY customer_key
