SELECT
    rows.* REPLACE (
        CASE
            WHEN _rule IS NOT NULL THEN _rule
            {% for reference in references if reference.on_fail == "refuse" %}
            WHEN {{ reference.name }} NOT IN (SELECT value FROM {{ reference.known }}) THEN {{ reference.label }} || ':reference'
            {% endfor %}
            {% if taken %}
            WHEN {{ key }} IN (SELECT value FROM taken) THEN {{ key_label }} || ':taken'
            {% endif %}
        END AS _rule
        {% for reference in references if reference.on_fail == "null" %}
        , CASE WHEN {{ reference.name }} IN (SELECT value FROM {{ reference.known }}) THEN {{ reference.name }} END AS {{ reference.name }}
        {% endfor %}
    )
    {% for reference in references if reference.on_fail != "refuse" %}
    , {{ reference.name }} NOT IN (SELECT value FROM {{ reference.known }}) AS {{ reference.flag }}
    {% endfor %}
FROM {{ rows | identifier }} AS rows
