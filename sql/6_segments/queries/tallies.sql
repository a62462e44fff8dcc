-- Everything that a run counts and adds up in one stream, in one scan: one row per customer.
{% from "macros/segments.sql" import is_tallied, scanned %}
SELECT
  customer_key
  {% for tally, column in of.columns.items() %}
  {% if tally.of == "latest" %}
  , MAX(CASE WHEN {{ is_tallied(of, tally) }} THEN {{ of.stream.clock | identifier }} END) AS {{ column | identifier }}
  {% elif tally.of == "earliest" %}
  , MIN(CASE WHEN {{ is_tallied(of, tally) }} THEN {{ of.stream.clock | identifier }} END) AS {{ column | identifier }}
  {% else %}
  , CAST(SUM(
      CASE WHEN {{ is_tallied(of, tally) }} THEN
        {% if tally.of == "sum" %}COALESCE({{ tally.column | identifier }}, 0){% else %}1{% endif %}

      ELSE 0 END
  ) AS BIGINT) AS {{ column | identifier }}
  {% endif %}
  {% endfor %}
FROM {{ scanned(of) }}
GROUP BY customer_key
