"""How commands read from and speak to whoever typed them."""
