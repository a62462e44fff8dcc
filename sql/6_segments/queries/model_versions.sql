-- Which version of each model scored at as_of, and how many customers.
SELECT
  model
  , MIN(model_version) AS model_version
  , MAX(model_version) AS other_version
  , COUNT(*) AS customers
FROM customer_scores
WHERE as_of = {{ as_of }}
GROUP BY model
