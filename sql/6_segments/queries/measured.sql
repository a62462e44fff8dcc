-- Everybody known at as_of with every fact that any segment of the run asks for: one row per customer.
{% from "macros/segments.sql" import distance, found, is_in_stage, nearest, ranking, stage %}
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
    customer_key, score, percentile, offer_rank
    {% for rank in scores.ranks %}
    {{ ranking(rank) }}
    {% endfor %}
  FROM {{ of.scores_table | identifier }}
  WHERE as_of = {{ scores.as_of }} AND model = {{ scores.model }}
)
{% endfor %}
{% for name, clustering in of.clusterings.items() %}
, {{ ("distances_" ~ name) | identifier }} AS (
  SELECT
    customer_key
    {% for centre in clustering.centres.values() %}
    , {% for feature, scale in clustering.features.items() %}{{ distance(feature, scale, centre) }}{% if not loop.last %} + {% endif %}{% endfor %} AS {{ ("distance_" ~ loop.index) | identifier }}
    {% endfor %}
  FROM everybody
), {{ ("cluster_" ~ name) | identifier }} AS (
  SELECT customer_key, {{ nearest(clustering.centres) }} AS cluster
  FROM {{ ("distances_" ~ name) | identifier }}
)
{% endfor %}
{% if of.attributes %}
, profiles AS (
  SELECT
    customer_key
    {% for attribute in of.attributes %}
    , {{ attribute | identifier }}
    {% endfor %}
  FROM customer_profiles
)
{% endif %}
{% for asked, name in of.consents.items() %}
, {{ name | identifier }} AS (
  SELECT customer_key, granted FROM customer_consents
  WHERE purpose = {{ asked.purpose }} AND channel = {{ asked.channel }} AND granted
)
{% endfor %}
SELECT
  everybody.customer_key
  {% for value in of.values.values() %}
  {% if value.given %}
  , CASE WHEN {{ found(value.given) }} IS NOT NULL THEN COALESCE({{ found(value.of) }}, 0) END AS {{ value.column | identifier }}
  {% elif value.zero %}
  , COALESCE({{ found(value.of) }}, 0) AS {{ value.column | identifier }}
  {% else %}
  , {{ found(value.of) }} AS {{ value.column | identifier }}
  {% endif %}
  {% endfor %}
  {% for made, column in of.stages.items() %}
  {% if made.names is defined %}
  , {{ is_in_stage(made) }} AS {{ column | identifier }}
  {% else %}
  , {{ stage(made) }} AS {{ column | identifier }}
  {% endif %}
  {% endfor %}
FROM everybody
{% for source in of.sources %}
LEFT JOIN {{ source | identifier }} ON {{ source | identifier }}.customer_key = everybody.customer_key
{% endfor %}
