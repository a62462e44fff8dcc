-- Everybody known at as_of with every fact that any segment of the run asks for: one row per customer.
{% from "macros/segments.sql" import ranking %}
WITH everybody AS (
  SELECT
    customer_key
    {% for feature in of.features %}
    , {{ feature | identifier }}
    {% endfor %}
    {% for rank in of.feature_ranks %}
    {{ ranking(rank) }}
    {% endfor %}
  FROM customer_features
  WHERE as_of = {{ as_of }}
)
{% for scores in of.scores.values() %}
, {{ scores.name | identifier }} AS (
  SELECT
    customer_key, score, percentile
    {% for rank in scores.ranks %}
    {{ ranking(rank) }}
    {% endfor %}
  FROM customer_scores
  WHERE as_of = {{ scores.as_of }} AND model = {{ scores.model }}
)
{% endfor %}
{% for asked, name in of.consents.items() %}
, {{ name | identifier }} AS (
  SELECT customer_key, granted FROM customer_consents
  WHERE purpose = {{ asked.purpose }} AND channel = {{ asked.channel }} AND granted
)
{% endfor %}
SELECT
  everybody.customer_key
  {% for value in of.values.values() %}
  {% set found = value.source | identifier ~ "." | safe ~ value.of | identifier %}
  {% if value.zero %}
  , COALESCE({{ found }}, 0) AS {{ value.column | identifier }}
  {% else %}
  , {{ found }} AS {{ value.column | identifier }}
  {% endif %}
  {% endfor %}
FROM everybody
{% for source in of.sources %}
LEFT JOIN {{ source | identifier }} ON {{ source | identifier }}.customer_key = everybody.customer_key
{% endfor %}
