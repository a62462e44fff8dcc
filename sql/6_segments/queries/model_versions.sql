-- When each model scored last, at as_of or before, and with which version. One row per model.
WITH latest AS (
  SELECT model, MAX(as_of) AS scored_at
  FROM customer_scores
  WHERE as_of <= {{ as_of }}
  GROUP BY model
)
SELECT latest.model, latest.scored_at, MIN(scores.model_version) AS model_version
FROM latest
JOIN customer_scores AS scores ON scores.model = latest.model AND scores.as_of = latest.scored_at
GROUP BY latest.model, latest.scored_at
