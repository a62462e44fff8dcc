-- One definition over everybody known at as_of: the values of its conditions, whether each holds, and who is in.
{% from "macros/segments.sql" import holds, is_event, ranking, tests, within %}
{% from "macros/sequences.sql" import sequence %}
WITH everybody AS (
  SELECT
    customer_key
    {% for feature in plan.features %}
    , {{ feature | identifier }}
    {% endfor %}
    {% for rank in plan.feature_ranks %}
    {{ ranking(rank) }}
    {% endfor %}
  FROM customer_features
  WHERE as_of = {{ as_of }}
)
{% for of in plan.scores %}
, {{ of.name | identifier }} AS (
  SELECT
    customer_key, score, percentile
    {% for rank in of.ranks %}
    {{ ranking(rank) }}
    {% endfor %}
  FROM customer_scores
  WHERE as_of = {{ as_of }} AND model = {{ of.model }}
)
{% endfor %}
{% for of in plan.counts %}
, {{ of.name | identifier }} AS (
  SELECT
    customer_key
    {% for count in of.counts %}
    , CAST(SUM(
        CASE WHEN {{ is_event(count.what) }} AND {{ within(of.stream.clock, count.window) }} THEN 1 ELSE 0 END
    ) AS BIGINT) AS {{ count.column | identifier }}
    {% endfor %}
  FROM {{ of.stream.table | identifier }}
  WHERE {{ of.stream.kind | identifier }} IN ({{ of.kinds }}) AND {{ within(of.stream.clock, of.window) }}
  GROUP BY customer_key
)
{% endfor %}
{% for of in plan.sequences %}
{{ sequence(of) }}
{% endfor %}
{% for of in plan.memberships %}
, {{ of.name | identifier }} AS (
  SELECT customer_key, entered_at FROM segment_members
  WHERE segment = {{ of.segment }} AND as_of = {{ as_of }}
)
{% endfor %}
{% for of in plan.consents %}
, {{ of.name | identifier }} AS (
  SELECT customer_key, granted FROM customer_consents
  WHERE purpose = {{ of.purpose }} AND channel = {{ of.channel }} AND granted
)
{% endfor %}
, measured AS (
  SELECT
    everybody.customer_key
    {% for value in plan.values %}
    {% set found = value.source | identifier ~ "." | safe ~ value.of | identifier %}
    {% if value.zero %}
    , COALESCE({{ found }}, 0) AS {{ value.column | identifier }}
    {% else %}
    , {{ found }} AS {{ value.column | identifier }}
    {% endif %}
    {% endfor %}
  FROM everybody
  {% for source in plan.sources %}
  LEFT JOIN {{ source | identifier }} ON {{ source | identifier }}.customer_key = everybody.customer_key
  {% endfor %}
)
, judged AS (
  SELECT
    customer_key
    {% for value in plan.values %}
    , {{ value.column | identifier }}
    {% endfor %}
    {% for leaf in plan.leaves %}
    , CASE WHEN {{ tests(leaf.tests) }} THEN TRUE ELSE FALSE END AS {{ leaf.column | identifier }}
    {% endfor %}
  FROM measured
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
{% else %}
WHERE customer_key = {{ customer_key }}
{% endif %}
