-- The latest point in time for which features are there; nothing when there are none.
SELECT MAX(as_of) AS as_of FROM customer_features
