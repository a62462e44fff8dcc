-- Which points in time were scored by which version of which model; the window keeps the scan small.
SELECT
  model,
  as_of,
  model_version
FROM customer_scores
WHERE as_of >= {{ since }} AND as_of < {{ until }}
GROUP BY
  model,
  as_of,
  model_version
ORDER BY
  as_of DESC NULLS LAST,
  model ASC NULLS LAST,
  model_version ASC NULLS LAST
