-- What counts as an answer: not what machines wrote.

-- +goose Up
ALTER TABLE messages ADD COLUMN automated {{int}} NOT NULL DEFAULT 0; -- 1: written by a machine: receipts, absence notes, reports of delivery

-- +goose Down
ALTER TABLE messages DROP COLUMN automated;
