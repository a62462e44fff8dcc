-- When the last order before as_of was placed; no row's value is missing unless there is no order.
SELECT MAX(ordered_epoch) AS last_epoch
FROM customer_orders
WHERE status = 'placed' AND ordered_epoch < {{ as_of_epoch }}
