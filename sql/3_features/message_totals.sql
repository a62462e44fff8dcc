WITH messages AS (
  SELECT
    customer_key,
    message_id,
    MAX(CASE WHEN event_type IN ('sent', 'delivered') THEN event_epoch END) AS sent_epoch,
    MAX(CASE WHEN event_type IN ('opened', 'clicked') THEN 1 ELSE 0 END) AS opened,
    MAX(CASE WHEN event_type = 'clicked' THEN 1 ELSE 0 END) AS clicked,
    MAX(CASE WHEN event_type = 'unsubscribed' THEN 1 ELSE 0 END) AS unsubscribed,
    SUM(CASE WHEN event_epoch < {{ as_of_epoch }} - 28 * 86400 THEN 0 ELSE CASE event_type
      {% for type, micros in message_weights %}
      WHEN {{ type }} THEN {{ micros }}
      {% endfor %}
      ELSE 0 END END) AS engagement_micros_28d
  FROM customer_messages
  WHERE event_epoch < {{ as_of_epoch }}
  GROUP BY customer_key, message_id
)
SELECT
  customer_key,
  {{ as_of }} AS as_of,
  MAX(sent_epoch) AS last_message_epoch,
  COUNT(CASE WHEN sent_epoch >= {{ as_of_epoch }} - 28 * 86400 THEN 1 END) AS messages_28d,
  COUNT(CASE WHEN sent_epoch >= {{ as_of_epoch }} - 84 * 86400 THEN 1 END) AS messages_84d,
  COUNT(CASE WHEN sent_epoch >= {{ as_of_epoch }} - 84 * 86400 AND opened = 1 THEN 1 END) AS opened_84d,
  COUNT(CASE WHEN sent_epoch >= {{ as_of_epoch }} - 84 * 86400 AND clicked = 1 THEN 1 END) AS clicked_84d,
  MAX(unsubscribed) AS unsubscribed,
  CAST(SUM(engagement_micros_28d) AS BIGINT) AS engagement_micros_28d
FROM messages
GROUP BY customer_key
