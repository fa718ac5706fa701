"""Microsoft Entra and Azure."""
