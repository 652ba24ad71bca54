"""`magnetgen serve`: the site, its forms, its leads and its mails on the writer's own machine."""
