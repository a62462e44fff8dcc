-- Counts and sums of nothing are 0; a rate, a mean or a date of nothing is NULL. What stands in for NULL is
-- declared per column in the YAML and filled in by ml.features.matrix, never here.
WITH purchases AS (
  SELECT
    *,
    CAST(FLOOR(CAST({{ as_of_epoch }} - last_order_epoch AS DOUBLE) / CAST(86400 AS DOUBLE)) AS BIGINT) AS recency_days,
    CAST(FLOOR(CAST({{ as_of_epoch }} - first_order_epoch AS DOUBLE) / CAST(86400 AS DOUBLE)) AS BIGINT) AS tenure_days,
    orders_total - 1 AS gaps,
    last_order_epoch - first_order_epoch AS gap_seconds
  FROM purchase_totals
  WHERE as_of = {{ as_of }}
), scores AS (
  -- The share of customers strictly below decides, so customers that are equal get the same score.
  SELECT
    customer_key,
    COUNT(*) OVER () AS customers,
    RANK() OVER (ORDER BY last_order_epoch ASC NULLS FIRST) - 1 AS less_recent,
    RANK() OVER (ORDER BY orders_total ASC NULLS FIRST) - 1 AS less_frequent,
    RANK() OVER (ORDER BY spend_cents_total ASC NULLS FIRST) - 1 AS spent_less
  FROM purchase_totals
  WHERE as_of = {{ as_of }} AND orders_total > 0
), customers AS (
  SELECT customer_key FROM purchase_totals WHERE as_of = {{ as_of }}
  UNION
  SELECT customer_key FROM browsing_totals WHERE as_of = {{ as_of }}
  UNION
  SELECT customer_key FROM message_totals WHERE as_of = {{ as_of }}
)
SELECT
  customers.customer_key,
  {{ as_of }} AS as_of,

  purchases.recency_days,
  CASE
    WHEN purchases.recency_days < {{ recent_days }} THEN 'recent'
    WHEN purchases.recency_days <= {{ lapsed_days }} THEN 'moderate'
    WHEN purchases.recency_days > {{ lapsed_days }} THEN 'lapsed'
  END AS recency_bin,
  purchases.tenure_days,
  CASE
    WHEN purchases.recency_days <= {{ active_days }} AND purchases.tenure_days <= {{ new_days }} THEN 'new'
    WHEN purchases.recency_days <= {{ active_days }} THEN 'active'
    WHEN purchases.recency_days <= {{ at_risk_days }} THEN 'at_risk'
    WHEN purchases.recency_days <= {{ dormant_days }} THEN 'dormant'
    WHEN purchases.recency_days > {{ dormant_days }} THEN 'churned'
  END AS lifecycle_stage,

  COALESCE(purchases.orders_28d, 0) AS orders_28d,
  COALESCE(purchases.orders_84d, 0) AS orders_84d,
  COALESCE(purchases.orders_total, 0) AS orders_total,
  COALESCE(purchases.active_weeks_84d, 0) AS active_weeks_84d,
  CAST(3 * purchases.orders_28d AS DOUBLE) / NULLIF(CAST(purchases.orders_84d AS DOUBLE), 0) AS orders_trend,

  COALESCE(purchases.spend_cents_28d, 0) AS spend_cents_28d,
  COALESCE(purchases.spend_cents_84d, 0) AS spend_cents_84d,
  COALESCE(purchases.spend_cents_total, 0) AS spend_cents_total,
  CAST(purchases.spend_cents_84d AS DOUBLE) / NULLIF(CAST(purchases.orders_84d AS DOUBLE), 0) AS average_order_cents_84d,
  CAST(3 * purchases.spend_cents_28d AS DOUBLE) / NULLIF(CAST(purchases.spend_cents_84d AS DOUBLE), 0) AS spend_trend,

  1 + CAST(FLOOR(CAST(5 * scores.less_recent AS DOUBLE) / CAST(scores.customers AS DOUBLE)) AS BIGINT) AS recency_score,
  1 + CAST(FLOOR(CAST(5 * scores.less_frequent AS DOUBLE) / CAST(scores.customers AS DOUBLE)) AS BIGINT) AS frequency_score,
  1 + CAST(FLOOR(CAST(5 * scores.spent_less AS DOUBLE) / CAST(scores.customers AS DOUBLE)) AS BIGINT) AS monetary_score,

  CAST(COALESCE(purchases.decayed_spend_micros, 0) AS DOUBLE) / CAST(1000000 AS DOUBLE) AS decayed_spend_cents,
  CAST(COALESCE(purchases.decayed_orders_micros, 0) AS DOUBLE) / CAST(1000000 AS DOUBLE) AS decayed_orders,

  CAST(purchases.gap_seconds AS DOUBLE) / NULLIF(CAST(86400 * purchases.gaps AS DOUBLE), 0) AS mean_gap_days,
  CAST(purchases.last_gap_seconds AS DOUBLE) / CAST(86400 AS DOUBLE) AS last_gap_days,
  CASE WHEN purchases.gaps >= 2 THEN
    CAST(SQRT(GREATEST(
      CAST(purchases.gaps AS DOUBLE) * CAST(purchases.gap_seconds_squared AS DOUBLE)
        - CAST(purchases.gap_seconds AS DOUBLE) * CAST(purchases.gap_seconds AS DOUBLE),
      CAST(0 AS DOUBLE)
    )) AS DOUBLE) / NULLIF(CAST(purchases.gap_seconds AS DOUBLE), 0)
  END AS gap_variation,
  CASE WHEN purchases.gaps >= 4 THEN
    CAST(purchases.last_gaps_seconds * purchases.gaps AS DOUBLE) / NULLIF(CAST(3 * purchases.gap_seconds AS DOUBLE), 0)
  END AS gap_trend,
  CASE WHEN purchases.gaps >= 1 THEN
    CAST(({{ as_of_epoch }} - purchases.last_order_epoch) * purchases.gaps AS DOUBLE)
      / CAST(GREATEST(purchases.gap_seconds, 86400 * purchases.gaps) AS DOUBLE)
  END AS overdue_ratio,

  CAST(baskets.lines_84d AS DOUBLE) / NULLIF(CAST(purchases.orders_84d AS DOUBLE), 0) AS lines_per_order_84d,
  COALESCE(baskets.departments_84d, 0) AS departments_84d,
  baskets.top_department,
  CAST(baskets.top_department_cents_84d AS DOUBLE) / NULLIF(CAST(baskets.amount_cents_84d AS DOUBLE), 0) AS top_department_share_84d,
  CAST(purchases.web_orders_84d AS DOUBLE) / NULLIF(CAST(purchases.orders_84d AS DOUBLE), 0) AS web_order_share_84d,
  CASE
    WHEN 2 * purchases.web_orders_total > purchases.orders_total THEN 'web'
    WHEN purchases.orders_total > 0 THEN 'store'
  END AS main_channel,
  COALESCE(purchases.returned_orders_84d, 0) AS returned_orders_84d,

  CAST(baskets.discount_cents_84d AS DOUBLE)
    / NULLIF(CAST(baskets.amount_cents_84d + baskets.discount_cents_84d AS DOUBLE), 0) AS discount_share_84d,
  CAST(baskets.discounted_lines_84d AS DOUBLE) / NULLIF(CAST(baskets.lines_84d AS DOUBLE), 0) AS discounted_line_share_84d,
  CAST(baskets.coupon_lines_84d AS DOUBLE) / NULLIF(CAST(baskets.lines_84d AS DOUBLE), 0) AS coupon_line_share_84d,
  CAST(baskets.own_brand_lines_84d AS DOUBLE) / NULLIF(CAST(baskets.lines_84d AS DOUBLE), 0) AS own_brand_share_84d,

  CAST(FLOOR(CAST({{ as_of_epoch }} - browsing.last_event_epoch AS DOUBLE) / CAST(86400 AS DOUBLE)) AS BIGINT) AS visit_recency_days,
  COALESCE(browsing.sessions_28d, 0) AS sessions_28d,
  COALESCE(browsing.views_28d, 0) AS views_28d,
  COALESCE(browsing.product_views_28d, 0) AS product_views_28d,
  COALESCE(browsing.revisited_products_28d, 0) AS revisited_products_28d,
  CAST(browsing.dwell_seconds_28d AS DOUBLE) / NULLIF(CAST(browsing.timed_views_28d AS DOUBLE), 0) AS dwell_seconds_28d,
  CAST(browsing.scroll_percent_28d AS DOUBLE) / NULLIF(CAST(browsing.scrolled_views_28d AS DOUBLE), 0) AS scroll_depth_28d,
  COALESCE(browsing.carts_28d, 0) AS carts_28d,
  CAST(browsing.carts_84d AS DOUBLE) / NULLIF(CAST(browsing.product_views_84d AS DOUBLE), 0) AS cart_rate_84d,
  COALESCE(browsing.abandoned_carts_84d, 0) AS abandoned_carts_84d,
  COALESCE(browsing.funnel_step_28d, 0) AS funnel_step_28d,
  CAST(COALESCE(browsing.decayed_events_micros, 0) AS DOUBLE) / CAST(1000000 AS DOUBLE) AS decayed_events,

  browsing.last_device,
  browsing.last_country,
  browsing.last_referrer,

  COALESCE(messages.messages_28d, 0) AS messages_28d,
  CAST(FLOOR(CAST({{ as_of_epoch }} - messages.last_message_epoch AS DOUBLE) / CAST(86400 AS DOUBLE)) AS BIGINT) AS message_recency_days,
  CAST(messages.opened_84d AS DOUBLE) / NULLIF(CAST(messages.messages_84d AS DOUBLE), 0) AS open_rate_84d,
  CAST(messages.clicked_84d AS DOUBLE) / NULLIF(CAST(messages.messages_84d AS DOUBLE), 0) AS click_rate_84d,
  COALESCE(messages.unsubscribed, 0) AS unsubscribed,

  COALESCE(campaigns.campaigns_running, 0) AS campaigns_running,
  COALESCE(campaigns.campaigns_84d, 0) AS campaigns_84d,
  COALESCE(campaigns.redemptions_total, 0) AS redemptions_total,
  CAST(campaigns.campaigns_redeemed AS DOUBLE) / NULLIF(CAST(campaigns.campaigns_total AS DOUBLE), 0) AS redemption_rate,

  CAST(COALESCE(browsing.engagement_micros_28d, 0) + COALESCE(messages.engagement_micros_28d, 0) AS DOUBLE)
    / CAST(1000000 AS DOUBLE) AS engagement_score_28d
FROM customers
LEFT JOIN purchases ON purchases.customer_key = customers.customer_key
LEFT JOIN scores ON scores.customer_key = customers.customer_key
LEFT JOIN basket_totals AS baskets ON baskets.customer_key = customers.customer_key AND baskets.as_of = {{ as_of }}
LEFT JOIN browsing_totals AS browsing ON browsing.customer_key = customers.customer_key AND browsing.as_of = {{ as_of }}
LEFT JOIN message_totals AS messages ON messages.customer_key = customers.customer_key AND messages.as_of = {{ as_of }}
LEFT JOIN campaign_totals AS campaigns ON campaigns.customer_key = customers.customer_key AND campaigns.as_of = {{ as_of }}
