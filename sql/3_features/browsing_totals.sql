-- Sessions and products are grouped within their windows only; the whole history is read once, for what
-- needs it. Events without a session count as views and carts, but in no session.
{% set since_28d = as_of_epoch - 28 * 86400 %}
{% set since_84d = as_of_epoch - 84 * 86400 %}
WITH history AS (
  SELECT
    customer_key,
    MAX(event_epoch) AS last_event_epoch,
    CAST(SUM(CAST(FLOOR(
      EXP({{ events_decay }} * CAST({{ as_of_epoch }} - event_epoch AS DOUBLE)) * CAST(1000000 AS DOUBLE)
    ) AS BIGINT)) AS BIGINT) AS decayed_events_micros
  FROM customer_events
  WHERE event_epoch < {{ as_of_epoch }}
  GROUP BY customer_key
), last_events AS (
  SELECT
    history.customer_key,
    MIN(events.device) AS last_device,
    MIN(events.country) AS last_country,
    MIN(events.referrer) AS last_referrer
  FROM history
  JOIN customer_events AS events
    ON events.customer_key = history.customer_key AND events.event_epoch = history.last_event_epoch
  GROUP BY history.customer_key
), events AS (
  SELECT
    customer_key,
    session_id,
    event_epoch,
    event_type,
    CASE WHEN event_epoch >= {{ since_28d }} THEN event_type END AS type_28d,
    CASE WHEN event_epoch >= {{ since_28d }} AND event_type IN ('page_view', 'product_view') THEN 1 END AS view_28d,
    duration_seconds,
    scroll_depth
  FROM customer_events
  WHERE event_epoch < {{ as_of_epoch }} AND event_epoch >= {{ since_84d }}
), sessions AS (
  SELECT
    customer_key,
    session_id,
    MAX(event_epoch) AS last_epoch,
    COUNT(view_28d) AS views_28d,
    COUNT(CASE WHEN type_28d = 'product_view' THEN 1 END) AS product_views_28d,
    COUNT(CASE WHEN type_28d = 'add_to_cart' THEN 1 END) AS carts_28d,
    COUNT(CASE WHEN event_type = 'product_view' THEN 1 END) AS product_views_84d,
    COUNT(CASE WHEN event_type = 'add_to_cart' THEN 1 END) AS carts_84d,
    COUNT(CASE WHEN event_type = 'purchase' THEN 1 END) AS purchases_84d,
    MAX(CASE type_28d
      WHEN 'page_view' THEN 1
      WHEN 'product_view' THEN 2
      WHEN 'add_to_cart' THEN 3
      WHEN 'checkout_start' THEN 4
      WHEN 'purchase' THEN 5
      ELSE 0
    END) AS funnel_step_28d,
    COUNT(CASE WHEN view_28d = 1 THEN duration_seconds END) AS timed_views_28d,
    SUM(CASE WHEN view_28d = 1 THEN duration_seconds END) AS dwell_seconds_28d,
    COUNT(CASE WHEN view_28d = 1 THEN scroll_depth END) AS scrolled_views_28d,
    SUM(CASE WHEN view_28d = 1 THEN scroll_depth END) AS scroll_percent_28d,
    SUM(CASE type_28d
      {% for type, micros in web_weights %}
      WHEN {{ type }} THEN {{ micros }}
      {% endfor %}
      ELSE 0
    END) AS engagement_micros_28d
  FROM events
  GROUP BY customer_key, session_id
), browsing AS (
  SELECT
    customer_key,
    COUNT(CASE WHEN session_id IS NOT NULL AND last_epoch >= {{ since_28d }} THEN 1 END) AS sessions_28d,
    COUNT(CASE WHEN session_id IS NOT NULL AND carts_84d > 0 AND purchases_84d = 0 THEN 1 END) AS abandoned_carts_84d,
    SUM(views_28d) AS views_28d,
    SUM(product_views_28d) AS product_views_28d,
    SUM(carts_28d) AS carts_28d,
    SUM(product_views_84d) AS product_views_84d,
    SUM(carts_84d) AS carts_84d,
    MAX(funnel_step_28d) AS funnel_step_28d,
    SUM(timed_views_28d) AS timed_views_28d,
    SUM(dwell_seconds_28d) AS dwell_seconds_28d,
    SUM(scrolled_views_28d) AS scrolled_views_28d,
    SUM(scroll_percent_28d) AS scroll_percent_28d,
    SUM(engagement_micros_28d) AS engagement_micros_28d
  FROM sessions
  GROUP BY customer_key
), revisited AS (
  SELECT customer_key, product_id
  FROM customer_events
  WHERE event_epoch < {{ as_of_epoch }} AND event_epoch >= {{ since_28d }}
    AND event_type = 'product_view' AND product_id IS NOT NULL
  GROUP BY customer_key, product_id
  HAVING COUNT(*) > 1
), revisits AS (
  SELECT customer_key, COUNT(*) AS revisited_products_28d
  FROM revisited
  GROUP BY customer_key
)
SELECT
  history.customer_key,
  {{ as_of }} AS as_of,
  history.last_event_epoch,
  history.decayed_events_micros,
  last_events.last_device,
  last_events.last_country,
  last_events.last_referrer,
  COALESCE(browsing.sessions_28d, 0) AS sessions_28d,
  COALESCE(browsing.abandoned_carts_84d, 0) AS abandoned_carts_84d,
  CAST(COALESCE(browsing.views_28d, 0) AS BIGINT) AS views_28d,
  CAST(COALESCE(browsing.product_views_28d, 0) AS BIGINT) AS product_views_28d,
  CAST(COALESCE(browsing.carts_28d, 0) AS BIGINT) AS carts_28d,
  CAST(COALESCE(browsing.product_views_84d, 0) AS BIGINT) AS product_views_84d,
  CAST(COALESCE(browsing.carts_84d, 0) AS BIGINT) AS carts_84d,
  CAST(COALESCE(browsing.funnel_step_28d, 0) AS BIGINT) AS funnel_step_28d,
  CAST(COALESCE(browsing.timed_views_28d, 0) AS BIGINT) AS timed_views_28d,
  CAST(COALESCE(browsing.dwell_seconds_28d, 0) AS BIGINT) AS dwell_seconds_28d,
  CAST(COALESCE(browsing.scrolled_views_28d, 0) AS BIGINT) AS scrolled_views_28d,
  CAST(COALESCE(browsing.scroll_percent_28d, 0) AS BIGINT) AS scroll_percent_28d,
  CAST(COALESCE(browsing.engagement_micros_28d, 0) AS BIGINT) AS engagement_micros_28d,
  COALESCE(revisits.revisited_products_28d, 0) AS revisited_products_28d
FROM history
JOIN last_events ON last_events.customer_key = history.customer_key
LEFT JOIN browsing ON browsing.customer_key = history.customer_key
LEFT JOIN revisits ON revisits.customer_key = history.customer_key
