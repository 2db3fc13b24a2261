//! The contract of a destination, as tests.
//!
//! Each test is generic over a [`Harness`] and cites the sentence of `destination/mod.rs` that it proves. A
//! destination joins by implementing [`Harness`] in a file of its own and naming it in [`contract_suite`], which turns
//! every function of the list below into a test. Everything that a test asserts about rows is read by SQL through the
//! harness and never through the destination, so that both cannot be wrong in the same way.

mod adopt;
mod columns;
mod deletes;
mod fencing;
mod fixture;
mod guard;
mod harness;
mod held;
mod leave;
mod lifecycle;
mod listing;
mod listing_end;
mod migration;
mod order;
mod overwrite;
mod ownership;
mod parents;
mod postgres;
mod purge;
mod rejected;
mod retire;
mod rows;
mod sqlite;
mod stampless;
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
                deletes_of_an_emptied_table_are_forgotten,
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
                a_new_object_of_another_org_is_refused,
                state_of_another_replicator_is_refused,
                a_table_that_is_not_ours_is_refused,
                a_table_of_another_object_is_refused,
                refused_objects_leave_the_database_alone,
            },
            leave::{
                who_left_is_noted_with_a_stamp_that_applies,
                who_is_not_there_or_marked_does_not_leave,
                with_ignore_nobody_leaves,
                a_live_row_behind_it_takes_it_back,
                who_leaves_behind_a_live_row_leaves,
                who_leaves_and_who_comes_back_across_batches,
                leaving_again_changes_nothing,
                who_left_earlier_comes_back,
                a_rollback_takes_leaving_back,
            },
            overwrite::{
                a_row_read_by_id_is_written_whatever_is_newer,
                a_stamp_that_differs_is_written,
                a_marked_row_read_by_id_is_unmarked,
                deleted_records_read_by_id_are_noted,
                a_deleted_record_read_by_id_leaves_though_its_row_be_newer,
            },
            rejected::{
                the_others_are_written_and_the_former_version_stays,
                the_same_rejection_writes_nothing,
                a_column_that_fits_again_loses_its_entry,
                a_row_that_is_written_loses_its_entries,
                a_row_that_is_found_unchanged_loses_its_entries,
                an_older_row_changes_no_entry,
                in_a_segment_the_newer_of_fit_and_unfit_counts,
                a_deleted_row_loses_its_entries_when_it_leaves,
                a_record_without_a_row_loses_its_entries_at_once,
                a_row_that_left_loses_its_entries,
                a_rejected_row_is_a_live_read,
                rejected_rows_are_no_difference,
                rejected_records_that_vanished_are_told,
                a_marked_row_keeps_no_rejected_record,
            },
            held::{
                what_is_held_stays_noted,
                held_again_writes_nothing,
                the_window_counts_across_commits_for_a_day,
                marked_rows_do_not_count_for_the_guard,
                rows_of_the_same_segment_count,
                older_entries_wait_until_they_were_looked_at,
                held_deletes_have_an_order_and_a_token,
                confirmed_deletes_are_applied_and_no_others,
                confirmed_deletes_go_while_others_are_held,
                a_wrong_token_confirms_nothing,
                to_confirm_claims_and_is_fenced,
                with_ignore_nothing_is_held,
                each_object_has_its_own_deletes,
            },
            listing::{
                a_stretch_tells_what_differs,
                a_stretch_without_surplus_writes_nothing,
                a_stretch_ends_where_it_says,
                ids_are_in_the_order_of_their_bytes,
                marked_rows_are_no_surplus,
                surplus_is_read_in_pieces,
                a_new_listing_forgets_the_earlier_one,
                a_commit_without_a_listing_forgets_surplus,
                surplus_rows_stay,
                a_comparison_claims_and_is_fenced,
                the_earliest_stamp_differs_from_every_row,
                long_stretches_are_compared,
            },
            listing_end::{
                rows_are_counted_at_the_end,
                the_guard_sees_the_rows_that_are_there,
                admits_says_what_a_commit_would_do,
            },
            retire::{
                tables_of_objects_that_left_are_kept,
                where_none_left_nothing_is_written,
                what_they_had_noted_is_forgotten,
                a_retired_table_is_not_written,
                a_retired_table_is_taken_back,
                tables_of_others_are_left_alone,
                another_table_retires_the_former_one,
                a_retired_table_of_another_object_is_refused,
            },
            purge::{
                all_tables_of_a_replicator_are_dropped,
                to_purge_again_writes_nothing,
                tables_of_another_replicator_stay,
                rows_of_any_org_go,
                what_is_open_is_fenced,
                a_segment_under_way_is_fenced,
                a_writer_of_a_former_life_is_fenced_in_the_next,
                a_table_that_a_view_reads_stays,
                state_tables_that_a_view_reads_stay,
                what_is_not_ours_any_more_is_left_alone,
            },
            adopt::{
                the_first_commit_takes_over,
                whatever_claims_takes_over,
                nobody_else_is_adopted,
                retired_tables_go_with_their_object,
                objects_that_nobody_keeps_are_retired_for_the_heir,
            },
            parents::{
                parents_with_other_values_are_found,
                one_child_that_differs_is_enough,
                marked_children_do_not_count,
                a_value_that_does_not_fit_differs,
                many_parents_are_compared,
            },
            columns::{
                a_column_of_another_type_is_exchanged,
                differences_of_columns_are_told_and_nothing_is_written,
                existing_columns_are_named,
                an_empty_database_has_no_columns,
                a_column_without_a_source_keeps_all,
                indexes_follow_the_exchange,
                a_change_that_is_overtaken_leaves_nothing,
                a_rejected_row_names_the_planned_column,
                a_column_that_a_view_reads_stays_or_is_exchanged_with_it,
                to_settle_columns_is_fenced,
                where_all_is_as_planned_nothing_is_settled,
                rows_that_were_not_written_keep_their_values,
                surplus_that_is_ignored_keeps_its_values,
                excluded_columns_are_emptied,
            },
            stampless::{
                rows_are_told_apart_by_their_values,
                deletes_are_held_and_applied,
                a_marked_row_has_the_time_at_which_its_deletion_was_found,
                a_listing_finds_what_is_missing_and_surplus,
                values_that_do_not_fit_reject_their_rows,
            },
            migration::{
                state_tables_of_version_1_are_brought_forward,
                what_only_version_1_had_is_gone,
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
