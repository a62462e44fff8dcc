-- One rule over what was measured: the values of its conditions, whether each holds, and who is in.
{% from "macros/segments.sql" import found, holds, points, ranking, tests %}
WITH valued AS (
  SELECT
    measured.customer_key
    {% for value in plan.values %}
    , {{ found(value.of) }} AS {{ value.column | identifier }}
    {% endfor %}
  FROM run_measured AS measured
  {% for segment, name in plan.members.items() %}
  LEFT JOIN {{ members[segment] | identifier }} AS {{ name | identifier }}
    ON {{ name | identifier }}.customer_key = measured.customer_key
  {% endfor %}
  {% for asked, name in plan.moves.items() %}
  LEFT JOIN (
    SELECT customer_key, MAX(moved_epoch) AS moved_epoch
    FROM {{ moves[asked.segment] | identifier }}
    WHERE change = {{ asked.change }} AND moved_epoch > {{ asked.start }} AND moved_epoch <= {{ asked.end }}
    GROUP BY customer_key
  ) AS {{ name | identifier }} ON {{ name | identifier }}.customer_key = measured.customer_key
  {% endfor %}
  {% for asked, name in plan.rankings.items() %}
  LEFT JOIN (
    SELECT
      customer_key
      {{ ranking(asked.rank) }}
    FROM run_measured
    WHERE customer_key IN (SELECT customer_key FROM {{ members[asked.segment] | identifier }})
  ) AS {{ name | identifier }} ON {{ name | identifier }}.customer_key = measured.customer_key
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
  {% for weight in plan.weights %}
  , {{ points(weight) }} AS {{ weight.column | identifier }}
  {% endfor %}
FROM judged
{% if customer_key is none %}
WHERE {{ holds(plan.root) }}
{% endif %}
