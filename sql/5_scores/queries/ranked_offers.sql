-- The scores of a file's targets, each with its place among the customer's: by lift over the model's mean score, which
-- tells what suits this customer better than others, or by the probability itself. Sums are over whole numbers, so that
-- every engine adds up the same.
WITH means AS (
  SELECT
    model,
    COUNT(*) AS customers,
    CAST(SUM(CAST(FLOOR(score * 1000000000) AS BIGINT)) AS BIGINT) AS total_nanos
  FROM {{ scores | identifier }} AS scored
  WHERE as_of = {{ as_of }} AND model IN ({{ models }})
  GROUP BY model
), lifted AS (
  SELECT
    {% for column in columns %}
    scored.{{ column | identifier }},
    {% endfor %}
    CAST(scored.score * CAST(means.customers AS DOUBLE) * 1000000000 AS DOUBLE)
      / CAST(NULLIF(means.total_nanos, 0) AS DOUBLE) AS offer_lift
  FROM {{ scores | identifier }} AS scored
  JOIN means ON means.model = scored.model
  WHERE scored.as_of = {{ as_of }}
)
SELECT
  {% for column in columns %}
  {{ column | identifier }},
  {% endfor %}
  offer_lift,
  ROW_NUMBER() OVER (
    PARTITION BY customer_key ORDER BY {{ rank_by | identifier }} DESC NULLS LAST, model ASC NULLS LAST
  ) AS offer_rank
FROM lifted
