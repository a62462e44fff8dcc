{% for rows in taken %}
SELECT * FROM {{ rows | identifier }}
{% if not loop.last %}UNION ALL{% endif %}

{% endfor %}
