-- Every feature of every `parts`-th customer at as_of, in the order of their keys.
SELECT *
FROM customer_features
WHERE as_of = {{ as_of }} AND customer_key % {{ parts }} = 0
ORDER BY customer_key NULLS LAST
