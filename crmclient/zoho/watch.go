package zoho

type channels struct{}
