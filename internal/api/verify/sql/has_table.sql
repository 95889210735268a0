select to_regclass('public.' || $1) is not null
