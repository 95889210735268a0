select to_regclass('platctl.migrations') is not null
