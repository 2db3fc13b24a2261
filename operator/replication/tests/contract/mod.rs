//! The contract of a destination, as tests.
//!
//! Each test is generic over a [`Harness`] and cites the sentence of `destination/mod.rs` that it proves. A
//! destination joins by implementing [`Harness`] in a file of its own and naming it in [`contract_suite`], which turns
//! every function of the list below into a test. Everything that a test asserts about rows is read by SQL through the
//! harness and never through the destination, so that both cannot be wrong in the same way.

mod deletes;
mod fencing;
mod fixture;
mod guard;
mod harness;
mod lifecycle;
mod order;
mod ownership;
mod postgres;
mod rows;
mod sqlite;
mod unchanged;
mod values;

use harness::Harness;

/// Makes a test of each function of the suite for one harness.
macro_rules! contract_suite {
    ($harness:ty) => {
        $crate::contract::contract_suite! { @tests $harness;
            lifecycle::{
                a_database_that_was_never_prepared_has_no_state,
                opening_and_reading_state_write_nothing,
                preparing_twice_writes_nothing_the_second_time,
                newer_state_tables_are_refused,
                state_tables_have_every_column_of_the_design,
                create_writes_the_checkpoint_and_makes_the_table,
                create_finds_rows_that_are_there,
                create_adds_the_columns_that_a_plan_gained,
                create_refuses_a_stamp_of_another_type_and_names_it,
                a_checkpoint_is_written_whole,
                freshness_shows_the_watermark_to_readers,
                touch_writes_what_a_run_without_rows_moves,
                indexes_are_built_once,
                the_ddl_is_the_table_and_its_indexes,
            },
            rows::{
                rows_and_checkpoint_are_committed_together,
                rollback_leaves_nothing_and_the_table_usable,
                rollback_without_a_segment_does_nothing,
                a_dropped_table_rolls_its_segment_back,
                a_failed_write_leaves_nothing_and_the_table_usable,
                thousands_of_rows_arrive_over_many_batches,
                the_row_counter_is_carried_along,
                a_direct_load_finds_rows_that_exist,
                a_direct_load_finds_a_row_twice_in_its_segment,
                several_objects_write_at_the_same_time,
            },
            values::{
                every_kind_keeps_its_edge_values,
                null_is_null_in_every_kind,
                text_keeps_every_character,
                long_text_is_not_cut,
                values_that_do_not_fit_are_named_and_not_told,
                decimals_are_equal_however_they_are_written,
                templates_and_empty_columns_are_computed,
                a_record_without_id_or_stamp_is_refused,
            },
            guard::{
                an_older_row_is_not_written,
                a_newer_row_is_written,
                an_equal_stamp_with_a_difference_is_written,
                an_equal_stamp_without_a_difference_is_not_written,
                a_difference_to_null_is_a_difference,
                of_two_rows_in_a_segment_the_newer_counts,
                of_two_rows_with_equal_stamps_the_later_read_counts,
                of_two_rows_across_batches_the_newer_counts,
            },
            deletes::{
                removed_rows_leave_with_the_last_segment,
                marked_rows_stay_and_say_so,
                ignored_deletes_are_dropped,
                pending_deletes_wait_for_the_commit_that_applies,
                deletes_are_noted_only_for_rows_that_are_there,
                a_newer_row_is_not_noted_for_deletion,
                a_live_read_takes_the_pending_delete_out,
                an_older_live_read_leaves_the_pending_delete_in,
                an_undelete_unmarks_the_row,
                an_old_live_read_does_not_unmark_the_row,
                a_marked_row_is_not_noted_again,
                a_delete_in_a_direct_load_never_becomes_a_row,
                in_a_segment_the_newer_of_row_and_delete_counts,
                a_record_that_came_and_went_in_a_segment_never_becomes_a_row,
                without_is_deleted_every_row_is_live,
                a_pending_delete_survives_a_crash,
            },
            unchanged::{
                an_unchanged_segment_writes_nothing,
                an_empty_segment_writes_nothing,
                a_segment_without_rows_writes_its_state_when_told_to,
                a_noted_delete_writes_the_state,
                a_repeated_delete_writes_nothing,
                a_taken_out_delete_is_kept_although_no_row_changed,
            },
            fencing::{
                the_first_commit_claims_and_later_ones_do_not,
                create_claims_and_the_first_commit_does_not_claim_again,
                a_claim_fences_the_other_process,
                create_of_a_second_process_is_fenced,
                a_first_create_of_two_wins,
                touch_is_fenced_and_claims_nothing,
                who_was_fenced_reads_anew_and_claims,
                a_claim_in_the_middle_of_a_segment_fences_its_commit,
                a_segment_that_changes_nothing_claims_nothing,
                a_rolled_back_claim_is_made_again,
            },
            ownership::{
                state_of_another_org_is_refused,
                state_of_another_replicator_is_refused,
                a_table_that_is_not_ours_is_refused,
                a_table_of_another_object_is_refused,
                refused_objects_leave_the_database_alone,
            },
        }
        #[test]
        fn segments_in_any_order_and_repetition_yield_the_same_table() {
            $crate::contract::order::segments_in_any_order_and_repetition_yield_the_same_table::<$harness>();
        }
    };
    (@tests $harness:ty; $($module:ident::{$($name:ident),* $(,)?}),* $(,)?) => {
        $($(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                $crate::contract::$module::$name::<$harness>().await;
            }
        )*)*
    };
}
pub(crate) use contract_suite;
