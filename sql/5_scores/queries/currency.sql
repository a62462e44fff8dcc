-- The currency of all orders, for amounts in words; NULL when there are several.
SELECT CASE WHEN MIN(currency) = MAX(currency) THEN MIN(currency) END AS currency
FROM customer_orders
