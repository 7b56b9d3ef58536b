-- What figures over time look for (internal/console/api/operations).

-- +goose Up
CREATE INDEX deliveries_updated ON deliveries (updated_at);

-- +goose Down
DROP INDEX deliveries_updated;
