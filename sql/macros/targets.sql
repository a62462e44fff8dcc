{# What customers did with the targets of a propensity file, whatever their number: one scan a kind. #}

{# Every purchase, redemption or response in [since, until): customer_key, target, fact (an order counts once, however
   many lines it has), epoch, cents. `since` may be none: from the beginning. #}
{% macro facts(targets, since, until) %}
{% set selects = [] %}
{% for kind, column in [("department", "department"), ("category", "category"), ("brand", "brand"), ("product", "product_id")] %}
{% if targets[kind] %}
{% set _ = selects.append(lines(kind, column, targets[kind], since, until)) %}
{% endif %}
{% endfor %}
{% for kind, column in [("campaign", "campaign_id"), ("offer", "offer_id")] %}
{% if targets[kind] %}
{% set _ = selects.append(redemptions(kind, column, targets[kind], since, until)) %}
{% endif %}
{% endfor %}
{% if targets["campaign_type"] %}
{% set _ = selects.append(redemptions_by_type(targets["campaign_type"], since, until)) %}
{% endif %}
{% if targets["channel"] %}
{% set _ = selects.append(responses(targets["channel"], since, until)) %}
{% endif %}
{% for select in selects %}
{{ select }}
{% if not loop.last %}
UNION ALL
{% endif %}
{% endfor %}
{% endmacro %}

{% macro within(column, since, until) %}
{{ column | identifier }} < {{ until }}
{%- if since is not none %} AND {{ column | identifier }} >= {{ since }}{% endif %}
{% endmacro %}

{% macro lines(kind, column, values, since, until) %}
SELECT customer_key, {{ kind ~ ":" }} || {{ column | identifier }} AS target, order_id AS fact, ordered_epoch AS epoch, amount_cents AS cents
FROM customer_order_lines
WHERE status = 'placed' AND {{ column | identifier }} IN ({{ values }}) AND {{ within("ordered_epoch", since, until) }}
{% endmacro %}

{% macro redemptions(kind, column, values, since, until) %}
SELECT customer_key, {{ kind ~ ":" }} || {{ column | identifier }} AS target, response_id AS fact, responded_epoch AS epoch, 0 AS cents
FROM customer_offer_responses
WHERE response = 'redeemed' AND {{ column | identifier }} IN ({{ values }}) AND {{ within("responded_epoch", since, until) }}
{% endmacro %}

{% macro redemptions_by_type(values, since, until) %}
SELECT customer_key, 'campaign_type:' || stg_campaigns.campaign_type AS target, response_id AS fact, responded_epoch AS epoch, 0 AS cents
FROM customer_offer_responses
JOIN stg_campaigns ON stg_campaigns.campaign_id = customer_offer_responses.campaign_id
WHERE response = 'redeemed' AND stg_campaigns.campaign_type IN ({{ values }}) AND {{ within("responded_epoch", since, until) }}
{% endmacro %}

{% macro responses(values, since, until) %}
SELECT customer_key, 'channel:' || channel AS target, 'order:' || order_id AS fact, ordered_epoch AS epoch, total_cents AS cents
FROM customer_orders
WHERE status = 'placed' AND channel IN ({{ values }}) AND {{ within("ordered_epoch", since, until) }}
UNION ALL
SELECT customer_key, 'channel:' || channel AS target, 'message:' || message_id AS fact, event_epoch AS epoch, 0 AS cents
FROM customer_messages
WHERE event_type = 'clicked' AND channel IN ({{ values }}) AND {{ within("event_epoch", since, until) }}
{% endmacro %}
