-- One rule over what was measured: the values of its conditions, whether each holds, and who is in.
{% from "macros/segments.sql" import holds, tests %}
WITH valued AS (
  SELECT
    measured.customer_key
    {% for value in plan.values %}
    , {{ value.source | identifier }}.{{ value.of | identifier }} AS {{ value.column | identifier }}
    {% endfor %}
  FROM run_measured AS measured
  {% for source, table in tables.items() %}
  LEFT JOIN {{ table | identifier }} AS {{ source | identifier }}
    ON {{ source | identifier }}.customer_key = measured.customer_key
  {% endfor %}
  {% if customer_key is not none %}
  WHERE measured.customer_key = {{ customer_key }}
  {% endif %}
), judged AS (
  SELECT
    customer_key
    {% for value in plan.values %}
    , {{ value.column | identifier }}
    {% endfor %}
    {% for leaf in plan.leaves %}
    , CASE WHEN {{ tests(leaf.tests) }} THEN TRUE ELSE FALSE END AS {{ leaf.column | identifier }}
    {% endfor %}
  FROM valued
)
SELECT
  customer_key
  {% for value in plan.values %}
  , {{ value.column | identifier }}
  {% endfor %}
  {% for leaf in plan.leaves %}
  , {{ leaf.column | identifier }}
  {% endfor %}
FROM judged
{% if customer_key is none %}
WHERE {{ holds(plan.root) }}
{% endif %}
