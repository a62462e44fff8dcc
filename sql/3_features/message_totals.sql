-- Messages are grouped within their window only; the whole history is read once, for what needs it.
{% set since_28d = as_of_epoch - 28 * 86400 %}
{% set since_84d = as_of_epoch - 84 * 86400 %}
WITH history AS (
  SELECT
    customer_key,
    MAX(CASE WHEN event_type IN ('sent', 'delivered') THEN event_epoch END) AS last_message_epoch,
    MAX(CASE WHEN event_type = 'unsubscribed' THEN 1 ELSE 0 END) AS unsubscribed
  FROM customer_messages
  WHERE event_epoch < {{ as_of_epoch }}
  GROUP BY customer_key
), messages AS (
  SELECT
    customer_key,
    message_id,
    MAX(CASE WHEN event_type IN ('sent', 'delivered') THEN event_epoch END) AS sent_epoch,
    MAX(CASE WHEN event_type IN ('opened', 'clicked') THEN 1 ELSE 0 END) AS opened,
    MAX(CASE WHEN event_type = 'clicked' THEN 1 ELSE 0 END) AS clicked,
    SUM(CASE WHEN event_epoch < {{ since_28d }} THEN 0 ELSE CASE event_type
      {% for type, micros in message_weights %}
      WHEN {{ type }} THEN {{ micros }}
      {% endfor %}
      ELSE 0
    END END) AS engagement_micros_28d
  FROM customer_messages
  WHERE event_epoch < {{ as_of_epoch }} AND event_epoch >= {{ since_84d }}
  GROUP BY customer_key, message_id
), recent AS (
  SELECT
    customer_key,
    COUNT(CASE WHEN sent_epoch >= {{ since_28d }} THEN 1 END) AS messages_28d,
    COUNT(sent_epoch) AS messages_84d,
    COUNT(CASE WHEN opened = 1 THEN sent_epoch END) AS opened_84d,
    COUNT(CASE WHEN clicked = 1 THEN sent_epoch END) AS clicked_84d,
    SUM(engagement_micros_28d) AS engagement_micros_28d
  FROM messages
  GROUP BY customer_key
)
SELECT
  history.customer_key,
  {{ as_of }} AS as_of,
  history.last_message_epoch,
  COALESCE(recent.messages_28d, 0) AS messages_28d,
  COALESCE(recent.messages_84d, 0) AS messages_84d,
  COALESCE(recent.opened_84d, 0) AS opened_84d,
  COALESCE(recent.clicked_84d, 0) AS clicked_84d,
  history.unsubscribed,
  CAST(COALESCE(recent.engagement_micros_28d, 0) AS BIGINT) AS engagement_micros_28d
FROM history
LEFT JOIN recent ON recent.customer_key = history.customer_key
