truncate users, farms restart identity cascade
