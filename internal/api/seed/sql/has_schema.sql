select to_regclass('public.notification_state') is not null, to_regclass('platctl.seed') is not null
