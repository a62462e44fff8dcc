-- The events that any sequence of a run looks at, in one total order (second, then identifier, then stream), so that
-- a step is strictly after the one before it on every engine. One row per event.
{% from "macros/segments.sql" import is_event, within %}
WITH happened AS (
  {% for stream, kinds, window in of.streams %}
  SELECT
    customer_key
    , {{ stream.clock | identifier }} AS happened_epoch
    , {{ stream.id | identifier }} AS event_id
    , {{ loop.index }} AS stream
    {% for link, name in of.links.items() %}
    {% if link in stream.properties %}
    , {{ stream.properties[link] | identifier }} AS {{ name | identifier }}
    {% else %}
    , CAST(NULL AS VARCHAR) AS {{ name | identifier }}
    {% endif %}
    {% endfor %}
    {% for what, flag in of.flags.items() %}
    {% if what.kind.stream.table == stream.table %}
    , CASE WHEN {{ is_event(what) }} THEN TRUE ELSE FALSE END AS {{ flag | identifier }}
    {% else %}
    , FALSE AS {{ flag | identifier }}
    {% endif %}
    {% endfor %}
  FROM {{ stream.table | identifier }}
  WHERE {{ stream.kind | identifier }} IN ({{ kinds }}) AND {{ within(stream.clock, window) }}
  {% if not loop.last %}UNION ALL{% endif %}
  {% endfor %}
)
SELECT
  customer_key
  , happened_epoch
  , ROW_NUMBER() OVER (
      PARTITION BY customer_key
      ORDER BY happened_epoch ASC NULLS LAST, event_id ASC NULLS LAST, stream ASC NULLS LAST
  ) AS place
  {% for name in of.links.values() %}
  , {{ name | identifier }}
  {% endfor %}
  {% for flag in of.flags.values() %}
  , {{ flag | identifier }}
  {% endfor %}
FROM happened
WHERE {% for flag in of.flags.values() %}{{ flag | identifier }}{% if not loop.last %} OR {% endif %}{% endfor %}
