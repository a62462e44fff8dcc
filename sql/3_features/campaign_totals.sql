{% set since_84d = as_of_epoch - 84 * 86400 %}
WITH campaigns AS (
  SELECT
    customer_key,
    campaign_id,
    MIN(CASE WHEN response = 'targeted' THEN responded_epoch END) AS targeted_epoch,
    COUNT(CASE WHEN response = 'redeemed' THEN 1 END) AS redemptions
  FROM customer_offer_responses
  WHERE responded_epoch < {{ as_of_epoch }}
  GROUP BY customer_key, campaign_id
), running AS (
  SELECT campaign_id
  FROM stg_campaigns
  WHERE started_epoch < {{ as_of_epoch }} AND (ended_epoch IS NULL OR ended_epoch >= {{ as_of_epoch }})
)
SELECT
  campaigns.customer_key,
  {{ as_of }} AS as_of,
  COUNT(campaigns.targeted_epoch) AS campaigns_total,
  COUNT(CASE WHEN campaigns.targeted_epoch >= {{ since_84d }} THEN 1 END) AS campaigns_84d,
  COUNT(CASE WHEN running.campaign_id IS NOT NULL THEN campaigns.targeted_epoch END) AS campaigns_running,
  COUNT(CASE WHEN campaigns.redemptions > 0 THEN campaigns.targeted_epoch END) AS campaigns_redeemed,
  CAST(SUM(campaigns.redemptions) AS BIGINT) AS redemptions_total
FROM campaigns
LEFT JOIN running ON running.campaign_id = campaigns.campaign_id
GROUP BY campaigns.customer_key
