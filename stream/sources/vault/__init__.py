"""HashiCorp Vault and OpenBao: the audit device."""
