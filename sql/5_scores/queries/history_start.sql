-- When the first order on record was placed; no row's value is missing unless there is no order.
SELECT MIN(ordered_epoch) AS first_epoch
FROM customer_orders
WHERE status = 'placed'
