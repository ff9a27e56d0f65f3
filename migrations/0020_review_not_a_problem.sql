-- A value of its own transaction: what uses it comes in the next migration.

alter type review_decision add value 'not_a_problem';
