package builtin

// companyDomain returns the registrable domain of an address whose domain belongs to a company, and nothing for
// free-mail providers, literals and names that nobody can register.
func (c *CRM) companyDomain(address string) string { return c.domains.Of(address) }
