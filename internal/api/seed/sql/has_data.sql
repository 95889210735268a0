select exists (select 1 from users), exists (select 1 from farms)
